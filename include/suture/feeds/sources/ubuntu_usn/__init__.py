"""stub"""
from suture.feeds.format import FeedFormat
FORMAT = FeedFormat("ubuntu_usn", lambda *a, **k: None, (), True, "notice")
