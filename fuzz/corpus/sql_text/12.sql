SELECT /* open
