"""One child process per run asks all vantage points at fixed times and appends what it saw to ``timeline.jsonl``."""
