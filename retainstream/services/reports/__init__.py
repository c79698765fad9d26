"""Reports: lists and pages as files that are made by hand or by the clock, and kept until they are replaced.

subjects    what can be reported: one line for each
documents   what a report says, whatever its form
lists, overview, insight, groups   the subjects' functions
formats     the forms: CSV and Excel here, `as_html` and `as_pdf` beside it, `cells` for how a value is said
saved       reports on record: who sees, makes, changes, deletes which
schedules   when a report is due
making      the job that makes one
files       the files on disk and who may read them
"""
