"""What `kill_and_resume.py` is made of."""
