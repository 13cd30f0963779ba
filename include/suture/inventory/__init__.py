"""What stands on the hosts, and which of it an advisory calls vulnerable."""
