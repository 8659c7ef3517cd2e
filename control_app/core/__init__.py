"""What everything counts with: money, time, months. It imports nothing else of ours."""
