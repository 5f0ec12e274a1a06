"""Programs one after another, on official files."""
