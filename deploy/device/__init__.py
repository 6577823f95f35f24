"""What a device does about its releases: a pure machine that decides, a disk, downloads, and a thin shell."""
