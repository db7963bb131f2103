"""The commands of `python -m icepoint`, one file each: its arguments, and what it prints."""
