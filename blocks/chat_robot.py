"""A group's robot in DingTalk, WeCom or Feishu (Lark)."""

from __future__ import annotations

from typing import Literal, Self
from urllib.parse import urlsplit

from prefect.blocks.core import Block
from pydantic import ConfigDict, Field, SecretStr, field_validator, model_validator

from blocks import lookup
from blocks.networks import Networks


class ChatRobot(Block):
    """A robot of a chat group, by the webhook address that the chat platform shows when the robot is made.

    Examples:
        ```python
        from blocks import ChatRobot

        await ChatRobot(
            platform="dingtalk", url="https://oapi.dingtalk.com/robot/send?access_token=token", secret="SECsecret"
        ).save("example")
        robot = await ChatRobot.named("example")
        assert robot.platform == "dingtalk"
        ```
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    _block_type_name = "Chat Robot"
    _block_type_slug = "chat-robot"
    _description = "A group's robot in DingTalk, WeCom or Feishu (Lark), by its webhook address."

    platform: Literal["dingtalk", "wecom", "feishu"] = Field(description="Whose robot it is; `feishu` is Lark too.")
    url: SecretStr = Field(description="The robot's webhook address, whole, as the platform shows it.")
    secret: SecretStr | None = Field(
        default=None, description="The secret where the robot demands signatures (DingTalk, Feishu)."
    )
    allow_networks: Networks = Field(
        default_factory=list,
        description="Networks that may be reached besides public addresses, for a platform in your own network.",
    )

    @field_validator("url")
    @classmethod
    def _is_address(cls, value: SecretStr) -> SecretStr:
        parts = urlsplit(value.get_secret_value())
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("begins with http:// or https:// and a host")
        return value

    @model_validator(mode="after")
    def _is_private(self) -> Self:
        if self.url.get_secret_value().startswith("http:") and not self.allow_networks:
            raise ValueError("the address holds a credential: it is called over https://, or within allow_networks")
        if self.secret is not None and not self.secret.get_secret_value():
            raise ValueError("secret is empty: leave it out, or give one")
        if self.platform == "wecom" and self.secret is not None:
            raise ValueError("a robot of WeCom takes no secret")
        return self

    @classmethod
    async def named(cls, name: str) -> ChatRobot:
        """The saved block of that name. Raises `NotConfigured` when nobody has saved one."""
        return await lookup.get(cls, name)
