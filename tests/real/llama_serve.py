"""llama.cpp's own HTTP server out of the xllamacpp wheel, until SIGTERM: `MODEL CONTEXT SLOTS`."""

import signal
import sys

import xllamacpp

params = xllamacpp.CommonParams()
params.model.path, params.n_ctx, params.n_parallel = sys.argv[1], *map(int, sys.argv[2:])
params.model_alias = {"tiny"}
params.hostnames, params.port = ["127.0.0.1"], 0
params.kv_unified = True  # one cache for all slots: streams side by side can fill it
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
params.use_jinja = True
params.endpoint_slots = True
params.enable_reasoning = 0  # unless the request asks
params.cache_prompt = False  # or input tokens depend on what was asked before
params.warmup = False
params.fit_params = False
params.verbosity = 1  # errors: its log comes in parts of lines, between which ours would be torn
server = xllamacpp.Server(params)
print("listening", server.listening_address, flush=True)
signal.pause()
