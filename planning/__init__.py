"""What is planned: things for people to do, and advertising. To add a kind of plan, write its file here."""
