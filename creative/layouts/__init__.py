"""The layouts of drawn pictures, one file each; base.py says how to add one."""
