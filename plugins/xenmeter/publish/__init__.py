"""Publishers: a reading in, one format out. The only place where units are converted and names escaped."""
