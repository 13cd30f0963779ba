"""The demo: the main job, twice, on the practice fleet, narrated stage by stage."""
