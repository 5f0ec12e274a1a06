"""What belongs to a release besides the code: pages, lists, checks."""
