"""Whether a release goes on, waits or stops, by what its devices and a control arm report. Pure."""
