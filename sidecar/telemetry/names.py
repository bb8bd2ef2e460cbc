"""Every metric, attribute and span name, once. The GenAI ones are those published with semantic conventions 1.41."""

SCOPE = "sidecar"
SERVICE = "llm-stream-sidecar"

# Metrics. Prometheus spells dots as underscores, adds the unit, and `_total` to a counter.
OUTCOMES = "sidecar.stream.outcomes"
ACTIVE = "sidecar.stream.active"
TTFT_UPSTREAM = "sidecar.stream.ttft.upstream"
TTFT_DELIVERED = "sidecar.stream.ttft.delivered"
TPOT = "sidecar.stream.tpot"
GAP = "sidecar.stream.gap"
STALLS = "sidecar.stream.stalls"
PINGS = "sidecar.stream.pings"
PADDING = "sidecar.stream.padding"
RECEIVED = "sidecar.stream.received"
DELIVERED = "sidecar.stream.delivered"
INVALID_TOOL_CALLS = "sidecar.stream.invalid_tool_calls"
UNKNOWN_FRAMES = "sidecar.stream.unknown_frames"
RELOAD_FAILED = "sidecar.config.reload_failed"
REFUSED = "sidecar.connection.refused"
LOOP_LAG = "sidecar.loop.lag"
BUILD_INFO = "sidecar.build.info"

HTTP_SERVER_DURATION = "http.server.request.duration"
CLIENT_DURATION = "gen_ai.client.operation.duration"
CLIENT_TIME_TO_FIRST_CHUNK = "gen_ai.client.operation.time_to_first_chunk"
CLIENT_TIME_PER_OUTPUT_CHUNK = "gen_ai.client.operation.time_per_output_chunk"
CLIENT_TOKEN_USAGE = "gen_ai.client.token.usage"
SERVER_TIME_TO_FIRST_TOKEN = "gen_ai.server.time_to_first_token"
SERVER_TIME_PER_OUTPUT_TOKEN = "gen_ai.server.time_per_output_token"

# Labels of our own metrics: bounded sets only, words of the configuration or of our tables.
OUTCOME = "outcome"
RULE = "rule"
UPSTREAM = "upstream"
DIALECT = "dialect"
FORMAT = "format"
CAUSE = "cause"
DIVIDED_BY = "divided_by"
VERSION = "version"

# Attributes of spans and of the published metrics.
ERROR_TYPE = "error.type"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"
HTTP_METHOD = "http.request.method"
HTTP_METHOD_ORIGINAL = "http.request.method_original"
HTTP_ROUTE = "http.route"
HTTP_STATUS = "http.response.status_code"
URL_PATH = "url.path"
URL_SCHEME = "url.scheme"
PROTOCOL_VERSION = "network.protocol.version"
USER_AGENT = "user_agent.original"

OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
REQUEST_STREAM = "gen_ai.request.stream"
RESPONSE_ID = "gen_ai.response.id"
RESPONSE_MODEL = "gen_ai.response.model"
FINISH_REASONS = "gen_ai.response.finish_reasons"
TIME_TO_FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHED_TOKENS = "gen_ai.usage.cache_read.input_tokens"
REASONING_TOKENS = "gen_ai.usage.reasoning.output_tokens"
TOKEN_TYPE = "gen_ai.token.type"

SPAN_OUTCOME = "sidecar.outcome"
SPAN_STREAM = "sidecar.stream.id"
SPAN_REQUEST_ID = "sidecar.request.id"
SPAN_RULE = "sidecar.rule"
SPAN_UPSTREAM = "sidecar.upstream"
SPAN_DIALECT = "sidecar.dialect"
SPAN_FORMAT = "sidecar.format"
SPAN_CHUNKS = "sidecar.chunks"
SPAN_WRITES = "sidecar.writes"
SPAN_BYTES_IN = "sidecar.bytes_in"
SPAN_BYTES_OUT = "sidecar.bytes_out"
SPAN_PINGS = "sidecar.pings"
SPAN_PADDING = "sidecar.padding_bytes"
SPAN_TTFT_UPSTREAM = "sidecar.ttft_upstream_s"
SPAN_TTFT_DELIVERED = "sidecar.ttft_delivered_s"
SPAN_TPOT = "sidecar.tpot_s"
SPAN_TPOT_DIVIDED_BY = "sidecar.tpot_divided_by"
SPAN_GAP_MAX = "sidecar.gap_max_s"
SPAN_GAP_P99 = "sidecar.gap_p99_s"
SPAN_STALLS_UPSTREAM = "sidecar.stalls.upstream"
SPAN_STALLS_CLIENT = "sidecar.stalls.client"
SPAN_TOOL_CALLS = "sidecar.tool_calls"
SPAN_INVALID_TOOL_CALLS = "sidecar.invalid_tool_calls"
SPAN_UNKNOWN_FRAMES = "sidecar.unknown_frames"

# Span events: the milestones of a stream.
EVENT_HEAD = "head"
EVENT_FIRST_CHUNK = "first_chunk"
EVENT_FIRST_DELIVERED = "first_delivered"
EVENT_LAST_CHUNK = "last_chunk"

KNOWN_METHODS = frozenset("GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH QUERY".split())


def server_span(method: str, route: str) -> str:
    """The SERVER span: the route is a rule's pattern, never the raw path."""
    return f"{method} {route}" if route else method


def client_span(operation: str, model: str) -> str:
    """The CLIENT span over one whole call of the model."""
    return f"{operation} {model}" if model else operation


def method(raw: str) -> str:
    """The method, bounded: a client may send any token."""
    return raw if raw in KNOWN_METHODS else "_OTHER"
