"""Films of trained policies: `render` asks for one, `film` is the process that makes it."""
