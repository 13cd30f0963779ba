"""stub"""
from suture.feeds.format import FeedFormat
FORMAT = FeedFormat("redhat_csaf", lambda *a, **k: None, (), True, "notice")
