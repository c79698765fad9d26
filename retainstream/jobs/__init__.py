"""Running jobs: who leads, what is claimed when, and the process in which the work is done. What jobs mean is `services.jobs`."""
