"""What the workshop is made with: set-up, compiler, npm packages."""
