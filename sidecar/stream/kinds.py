"""What events are: the words in their names, in snake_case, that most of the industry gives them."""

import re

from sidecar.stream.names import Names, snake

_LAST = "(?:done|end|ended|complete|completed|finish|finished|close|closed|stop|stopped|eof|final)"
_WHOSE = "stream|message|chat|run|response|generation|conversation|session|image_generation|image_edit|speech_audio"
END = re.compile(rf"(?:(?:{_WHOSE}|crew_kickoff)_)?{_LAST}(?:_stream)?|task_end")
FINAL = re.compile(r"final_(?:answer|message|output|response|result|text)")
OVER = re.compile(rf"(?:\w+_)?{_LAST}|{FINAL.pattern}")
PING = re.compile(r"ping|pong|heart_?beat|keep_?alive|noop")
FAILED = re.compile(r"(?:\w+_)?(?:error|failed|failure|exception)(?:_message)?")
THOUGHT = re.compile(r"(?:\w*_)?(?:reason|think|thought)\w*")
PIECE = re.compile(r"(?:\w+_)?(?:token|text|delta|chunk|answer|add|partial|stream|completion)(?:_\w+)?")
OTHERS = re.compile(
    r"(?:human|user|system|tool|function)(?:_message)?(?:_chunk)?|replace(?:_\w+)?"
    r"|on_(?!chat_model_s|llm_s|llm_new|message_d|reasoning_d)\w+"
)
STATUS = re.compile(
    r"(?:\w+_)?(?:status|progress|info|started|start|begin|created|queued|init|step|loading|connect\w*|open\w*|ready|ack"
    r"|welcome|session)(?:_\w+)?"
)
ASIDE = re.compile(
    r"(?:\w+_)?(?:question|input|verbose|follow|source|document|citation|reference|metadata|meta|title|suggest|suggested"
    r"|log|trace|debug|tool|node|chain|retriever|usage)s?(?:_\w+)?"
)


def named(words: re.Pattern[str], name: str) -> bool:
    """Whether this name, of any case, is one of these words."""
    return bool(name) and words.fullmatch(snake(name)) is not None


def among(words: re.Pattern[str], tags: Names) -> bool:
    """Whether one of the tags is one of these words."""
    return any(words.fullmatch(tag) for tag in tags)
