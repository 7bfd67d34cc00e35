#!/usr/bin/env python3
"""A server that streams like an OpenAI one, for the load generator's tests: no model, times as asked for.

  fake_server.py [--port 0] [--ttft-ms 20] [--itl-ms 2] [--busy-above N] [--cut P] [--fault lie]

Prints "ready PORT" when it listens. A text depends on prompt, seed and length only, except with --fault lie, where every
seventh answer differs. --busy-above N answers 429 while N requests are under way. --cut P ends a share of the streams
early. /stats tells what it saw. The standard library only.
"""
import argparse
import asyncio
import hashlib
import json
import random
import sys


class Server:
    def __init__(self, options):
        self.options = options
        self.random = random.Random(1)
        self.seen = set()
        self.stats = {"requests": 0, "active": 0, "peak": 0, "finished": 0, "busy": 0, "cut": 0, "gone": 0, "broken_bodies": 0, "connections": 0}

    async def connection(self, reader, writer):
        self.stats["connections"] += 1
        try:
            while await self.request(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def request(self, reader, writer):
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        except asyncio.IncompleteReadError:
            return False
        method, path, _ = head[0].split(" ")
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in head[1:] if line)}
        try:
            body = await reader.readexactly(int(headers.get("content-length", 0)))
        except asyncio.IncompleteReadError:
            self.stats["broken_bodies"] += 1
            return False
        if method == "GET":
            return await self.get(path, writer)
        self.stats["requests"] += 1
        if self.options.busy_above and self.stats["active"] >= self.options.busy_above:
            self.stats["busy"] += 1
            return await self.whole(writer, 429, {"error": {"message": "busy"}}, "Retry-After: 2\r\n")
        self.stats["active"] += 1
        self.stats["peak"] = max(self.stats["peak"], self.stats["active"])
        try:
            return await self.stream(path, json.loads(body), reader, writer)
        except ConnectionError:
            self.stats["gone"] += 1
            raise
        finally:
            self.stats["active"] -= 1

    async def get(self, path, writer):
        if path == "/v1/models":
            return await self.whole(writer, 200, {"data": [{"id": "fake"}]})
        if path == "/metrics":
            n = self.stats["requests"]
            return await self.whole(writer, 200, f"""wring:io_loop_delay_seconds_bucket{{le="0.001"}} {n}
wring:io_loop_delay_seconds_bucket{{le="+Inf"}} {n}
wring:pool_bytes{{owner="kv_cache"}} {self.options.leak + self.stats["active"]}
""")
        if path == "/stats":
            return await self.whole(writer, 200, self.stats)
        return await self.whole(writer, 404, {"error": {"message": f"no {path}"}})

    async def whole(self, writer, status, value, more=""):
        body = (value if isinstance(value, str) else json.dumps(value)).encode()
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body)
        await writer.drain()
        return True

    async def stream(self, path, request, reader, writer):
        chat = path.endswith("/chat/completions")
        count = request.get("max_completion_tokens" if chat else "max_tokens", 16)
        prompt = request["messages"] if chat else request["prompt"]
        key = json.dumps([prompt, request.get("seed"), count])
        if self.options.fault == "lie" and self.stats["requests"] % 7 == 0:
            key += "!"
        digest = hashlib.sha256(key.encode()).hexdigest()
        cut = self.random.random() < self.options.cut
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        await writer.drain()
        start = json.dumps(prompt)[:64]
        await asyncio.sleep((self.options.ttft_ms + (0 if start in self.seen else self.options.ms_per_token * len(prompt))) / 1e3)
        self.seen.add(start)
        if chat:
            await self.event(writer, {"choices": [{"delta": {"role": "assistant", "content": ""}, "finish_reason": None}]})
        for i in range(count):
            if i:
                await asyncio.sleep(self.options.itl_ms / 1e3)
            if cut and i == count // 2:
                self.stats["cut"] += 1
                return False
            text = digest[i % 64] + "é"
            choice = {"delta": {"content": text}} if chat else {"text": text}
            await self.event(writer, {"choices": [{**choice, "index": 0, "finish_reason": None}]})
            if reader.at_eof():
                raise ConnectionResetError
        if chat:
            await self.event(writer, {"choices": [{"delta": {}, "finish_reason": "length"}]})
        length = len(prompt) if isinstance(prompt, list) and not chat else 7
        await self.event(writer, {"choices": [], "usage": {"prompt_tokens": length, "completion_tokens": count}})
        await self.piece(writer, b"data: [DONE]\n\n")
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        self.stats["finished"] += 1
        return not self.options.close

    async def event(self, writer, value):
        await self.piece(writer, b"data: " + json.dumps(value).encode() + b"\n\n")

    async def piece(self, writer, data):
        writer.write(b"%x\r\n%s\r\n" % (len(data), data))
        await writer.drain()


async def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--ttft-ms", type=float, default=20)
    parser.add_argument("--itl-ms", type=float, default=2)
    parser.add_argument("--busy-above", type=int, default=0)
    parser.add_argument("--cut", type=float, default=0)
    parser.add_argument("--close", action="store_true", help="close every connection after its stream, without saying so before")
    parser.add_argument("--leak", type=int, default=0, help="bytes that the cache still holds, as /metrics says")
    parser.add_argument("--ms-per-token", type=float, default=0, help="of a prompt that begins as none before did")
    parser.add_argument("--fault", choices=["lie"])
    server = Server(parser.parse_args())
    listener = await asyncio.start_server(server.connection, "127.0.0.1", server.options.port, backlog=4096, limit=1 << 24)
    print("ready", listener.sockets[0].getsockname()[1], flush=True)
    async with listener:
        await listener.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        sys.exit(0)
