"""`python -m icepoint.demo`: real digits, three networks, one table and one picture."""
