"""A whole e-mail campaign: its brief, what is read for it, its playbook, its checks, and the task itself."""
