"""Who may sign in or call, with what, and what they did: users, sessions, passwords, credentials, audit trail."""
