"""What icepoint.search finds on trained networks, beside the same bits everywhere."""
