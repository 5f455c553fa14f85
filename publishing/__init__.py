"""What goes out beside mail: posts, articles, the calendar that shows them, and the webhooks that publish posts."""
