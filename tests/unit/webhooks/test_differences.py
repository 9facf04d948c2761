"""What is told of a change of a definition."""

from receiver.webhooks.differences import Difference, differences


def test_fields_that_came_went_and_changed_are_told_by_name():
    before = {"methods": ["POST"], "filter": "true", "mode": "async"}
    after = {"methods": ["PUT"], "path": "a/b", "mode": "async"}
    assert differences(before, after) == [
        Difference("filter", "true", None),
        Difference("methods", ["POST"], ["PUT"]),
        Difference("path", None, "a/b"),
    ]


def test_of_an_object_only_the_members_that_differ_are_told_and_a_schema_whole():
    before = {"verification": {"scheme": "hmac", "header": "X-A"}, "schema": {"type": "object", "required": ["a"]}}
    after = {"verification": {"scheme": "hmac", "header": "X-B"}, "schema": {"type": "object"}}
    assert [each.field for each in differences(before, after)] == ["schema", "verification.header"]


def test_the_order_of_members_is_no_difference():
    assert differences({"a": {"x": 1, "y": 2}}, {"a": {"y": 2, "x": 1}}) == []
