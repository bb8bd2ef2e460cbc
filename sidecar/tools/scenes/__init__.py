"""The demo's scenes, one module each: `play(number, stage, show)` shows a person one thing and says what it saw."""
