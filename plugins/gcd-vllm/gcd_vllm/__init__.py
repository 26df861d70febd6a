"""gcd-decoding inside vLLM: `processor.LogitsProcessor` for single requests, `backend.GcdBackend` for all.

>>> SamplingParams(extra_args={"gcd_regex": "[0-9]{4}"}, max_tokens=50)      # the processor, by its arguments
>>> LLM(model, structured_outputs_config={"backend": "guidance"})            # the backend, with GCD_VLLM_BACKEND=1
"""
