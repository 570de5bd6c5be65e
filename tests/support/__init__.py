"""What tests share: a small world with everybody in it."""
