"""The command's room: what `./suture` does.

Cheap to import: heavy libraries load inside the verbs that need them.
"""
