"""A language model of four sentences, written byte by byte as a GGUF file.

The embedding is one-hot and attention and feed-forward are zero, so the output matrix alone says which token
follows which: an answer is the same at any temperature, while the server tokenises, samples, obeys grammars and
streams as it always does. The end of the chat template picks the sentence.
"""

import math
import struct
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path

ENDLESS: list[str | int] = [
    "▁The", "▁river", "▁caf", *"é".encode(), "▁says", "▁data:", "▁and", "▁[DONE]", "▁then", "▁event:", *"中".encode(),
    "▁a", '▁"quoted"', "▁\\n", "▁</b>", *"🙂".encode(), "▁naïve", "▁日本", "▁word", "▁flows", "▁on.\n",
]  # fmt: skip
SHORT = ["<|short|>", "▁Yes,", "▁that", "▁is", "▁quite", "▁so.", "<|im_end|>"]
THINKING = ["<think>", "Hmm,", "▁let", "▁me", "▁see.", "</think>", "\n\n", "Oslo,", "▁I", "▁think.", "<|im_end|>"]
TOOL_CALL = [
    "<|tool|>", "<tool_call>", '\n{"name":▁"', "get_weather", '",▁"arguments":▁{"', "city", '":▁"', "Par", "is",
    '"}}\n', "</tool_call>", "<|im_end|>",
]  # fmt: skip
SENTENCES: list[Sequence[str | int]] = [[*ENDLESS, ENDLESS[0]], SHORT, THINKING, TOOL_CALL]
CONTROL = ["<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|short|>", "<|tool|>"]
TAGS = ["<think>", "</think>", "<tool_call>", "</tool_call>"]
TEMPLATE = """
{%- if tools %}<|im_start|>system
{%- for tool in tools %}
{{ tool | tojson }}
{%- endfor %}<|im_end|>
{% endif %}
{%- for message in messages %}<|im_start|>{{ message.role }}
{% if message.reasoning_content %}<think>{{ message.reasoning_content }}</think>

{% endif %}{{ message.content or '' }}
{%- for call in message.tool_calls or [] %}<tool_call>
{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}
</tool_call>{% endfor %}<|im_end|>
{% endfor %}
{%- if add_generation_prompt %}<|im_start|>assistant
{% if enable_thinking is defined and enable_thinking %}<think>
{%- elif tools and messages[-1].role == 'user' %}<|tool|>
{%- elif messages[-1].role == 'tool' or 'short' in messages[-1].content %}<|short|>
{%- endif %}{% endif %}"""

WIDTH, HEAD, HIDDEN = 384, 32, 32  # the embedding has a dimension a token, so WIDTH bounds the vocabulary
F32, I32, U32, BOOL, STRING, ARRAY = 6, 5, 4, 7, 8, 9  # gguf_metadata_value_type
NORMAL, UNKNOWN, CONTROL_TYPE, USER_DEFINED, BYTE = 1, 2, 3, 4, 6  # tokenizer.ggml.token_type


def vocabulary() -> dict[str, int]:
    """Token text -> token type, in order of the ids."""
    types = {"<unk>": UNKNOWN} | dict.fromkeys(CONTROL, CONTROL_TYPE) | dict.fromkeys(TAGS, USER_DEFINED)
    types |= {byte_token(value): BYTE for value in range(256)}
    for piece in (piece for sentence in SENTENCES for piece in sentence if isinstance(piece, str)):
        types.setdefault(piece, NORMAL)
    return types


def byte_token(value: int) -> str:
    return f"<0x{value:02X}>"


def successors(tokens: list[str]) -> list[int]:
    """The next token of each; where no sentence says it, an endless one begins."""
    ids = {token: position for position, token in enumerate(tokens)}
    following = [ids[str(ENDLESS[0])]] * len(tokens)
    for sentence in SENTENCES:
        path = [ids[piece if isinstance(piece, str) else byte_token(piece)] for piece in sentence]
        for this, after in zip(path, path[1:], strict=False):
            following[this] = after
    return following


def tensors(following: list[int]) -> dict[str, tuple[tuple[int, ...], bytes]]:
    """Name -> (shape, innermost dimension first; values)."""
    size = len(following)
    shapes: dict[str, tuple[int, ...]] = {
        "blk.0.attn_q": (WIDTH, HEAD), "blk.0.attn_k": (WIDTH, HEAD), "blk.0.attn_v": (WIDTH, HEAD),
        "blk.0.attn_output": (HEAD, WIDTH), "blk.0.ffn_gate": (WIDTH, HIDDEN), "blk.0.ffn_up": (WIDTH, HIDDEN),
        "blk.0.ffn_down": (HIDDEN, WIDTH), "blk.0.attn_norm": (WIDTH,), "blk.0.ffn_norm": (WIDTH,),
    }  # fmt: skip
    silent = {f"{name}.weight": (shape, floats(math.prod(shape), ())) for name, shape in shapes.items()}
    itself = (token * WIDTH + token for token in range(size))
    follows = (after * WIDTH + this for this, after in enumerate(following))
    return silent | {
        "token_embd.weight": ((WIDTH, size), floats(WIDTH * size, itself)),
        "output_norm.weight": ((WIDTH,), floats(WIDTH, range(WIDTH))),
        "output.weight": ((WIDTH, size), floats(WIDTH * size, follows)),
    }


def floats(count: int, ones: Iterable[int]) -> bytes:
    """Zeros, but 1.0 at the positions `ones`."""
    values = array("f", bytes(4 * count))
    for position in ones:
        values[position] = 1.0
    return values.tobytes()


def metadata(context: int) -> dict[str, tuple[int, object]]:
    """Key -> (value type, value)."""
    types = vocabulary()
    ids = {token: position for position, token in enumerate(types)}
    sizes = {
        "context_length": context, "vocab_size": len(ids), "block_count": 1,
        "embedding_length": WIDTH, "feed_forward_length": HIDDEN, "rope.dimension_count": HEAD,
        "attention.head_count": 1, "attention.head_count_kv": 1,
        "attention.key_length": HEAD, "attention.value_length": HEAD,
    }  # fmt: skip
    pairs: dict[str, tuple[int, object]] = {f"llama.{name}": (U32, size) for name, size in sizes.items()}
    pairs |= {f"tokenizer.ggml.add_{name}": (BOOL, False) for name in ("bos_token", "eos_token", "space_prefix")}
    return pairs | {
        "general.architecture": (STRING, "llama"),
        "llama.attention.layer_norm_rms_epsilon": (F32, 1e-6),
        "tokenizer.ggml.model": (STRING, "llama"),
        "tokenizer.ggml.tokens": (ARRAY, (STRING, list(types))),
        "tokenizer.ggml.scores": (ARRAY, (F32, [-float(position) for position in ids.values()])),
        "tokenizer.ggml.token_type": (ARRAY, (I32, list(types.values()))),
        "tokenizer.ggml.unknown_token_id": (U32, ids["<unk>"]),
        "tokenizer.ggml.bos_token_id": (U32, ids["<s>"]),
        "tokenizer.ggml.eos_token_id": (U32, ids["<|im_end|>"]),
        "tokenizer.chat_template": (STRING, TEMPLATE),
    }


def packed(kind: int, value: object) -> bytes:
    if isinstance(value, str):
        return struct.pack("<Q", len(value.encode())) + value.encode()
    if isinstance(value, tuple):
        element, values = value
        return struct.pack("<IQ", element, len(values)) + b"".join(packed(element, each) for each in values)
    return struct.pack({F32: "<f", I32: "<i", U32: "<I", BOOL: "<?"}[kind], value)


def write(path: Path, context: int) -> None:
    """A GGUF version 3 file; `context` is the longest prompt and answer in tokens."""
    pairs, weights = metadata(context), tensors(successors(list(vocabulary())))
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(weights), len(pairs))
    for key, (kind, value) in pairs.items():
        head += packed(STRING, key) + struct.pack("<I", kind) + packed(kind, value)
    offset = 0
    for name, (shape, values) in weights.items():
        head += packed(STRING, name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, offset)  # 0: F32
        offset += aligned(len(values))
    with path.open("wb") as file:
        file.write(head.ljust(aligned(len(head)), b"\0"))
        for _, values in weights.values():
            file.write(values.ljust(aligned(len(values)), b"\0"))


def aligned(size: int) -> int:
    return -(-size // 32) * 32
