"""What a campaign consists of: a module each, with `run(session)`."""
