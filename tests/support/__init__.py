"""What several tests share. Import it as `tests.support.<module>`."""
