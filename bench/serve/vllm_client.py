"""Started by vllm_serve in its virtual environment: SOURCE [--prompts FILE] OPTION...

Everything that sends, times and counts is vLLM's, unchanged. Replaced are the modules that its imports name and a run with
given prompts never calls (tokenizers, images, audio), and the source of the prompts.
"""
import argparse
import gc
import importlib.abc
import importlib.machinery
import json
import logging
import sys
import types


class Absent(type):
    """A name that is imported and not used; using it fails with its name."""

    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Absent(name, (), {})

    def __call__(cls, *_, **__):
        raise NotImplementedError(f"{cls.__name__} of vLLM is not here: only runs with given prompts are")


class NoTokenizer:
    """It must be there for latencies to be reported; it is asked only about answers for which vLLM saw no count of tokens.

    llama-server's completions are such: their usage comes with the last choice, where vLLM does not look. Answers run to the
    length asked for (--ignore-eos), so where all are asked for the same length, that is the count.
    """

    lengths = set()

    def __call__(self, *_, **__):
        if len(self.lengths) == 1:
            return types.SimpleNamespace(input_ids=range(next(iter(self.lengths))))
        sys.exit("vllm_serve: the server sends no usage with its streams, so tokens cannot be counted here")


def freeze_gc_heap():
    gc.collect()
    gc.freeze()


REAL = {
    "vllm.utils.argparse_utils": {"FlexibleArgumentParser": argparse.ArgumentParser},
    "vllm.utils.gc_utils": {"freeze_gc_heap": freeze_gc_heap},
    "vllm.utils.network_utils": {"join_host_port": lambda host, port: f"{host}:{port}"},
    "vllm.tokenizers": {"get_tokenizer": lambda *_, **__: NoTokenizer()},
    "vllm.logger": {"init_logger": logging.getLogger},
    "vllm.utils.import_utils": {"PlaceholderModule": lambda name: types.SimpleNamespace(placeholder_attr=lambda *_: None)},
}


class Stub(types.ModuleType):
    __path__ = []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Absent(name, (), {})


class Stubs(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("vllm", "PIL", "pybase64"):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        module = Stub(spec.name)
        module.__dict__.update(REAL.get(spec.name, {}))
        return module

    def exec_module(self, module):
        pass


def given(path, sample_request):
    """The lines of a file as vLLM's requests."""
    rows = [json.loads(line) for line in open(path, encoding="utf-8") if line.strip()]
    return [sample_request(prompt=row.get("prompt", ""), prompt_len=row.get("input_tokens", 1), expected_output_len=row["output_tokens"],
                           chat_messages=row.get("messages"), request_id=str(i)) for i, row in enumerate(rows)]


def main():
    sys.path.insert(0, sys.argv[1])
    sys.meta_path.append(Stubs())  # last: what is really there goes first
    from vllm.benchmarks import serve
    from vllm.benchmarks.datasets import SampleRequest

    parser = argparse.ArgumentParser()
    parser.add_argument("--prompts", required=True)
    serve.add_cli_args(parser)
    args = parser.parse_args([*sys.argv[2:], "--dataset-name", "custom"])
    requests = given(args.prompts, SampleRequest)
    args.num_prompts = len(requests)
    NoTokenizer.lengths = {r.expected_output_len for r in requests} if args.ignore_eos else set()
    serve.get_samples = lambda *_: requests
    serve.main(args)


if __name__ == "__main__":
    main()
