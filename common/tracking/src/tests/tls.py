"""Speaks TLS before a server that does not: CERTIFICATE KEY PORT. Prints the port that it listens on; ends with its stdin."""
import asyncio, ssl, sys

certificate, key, upstream = sys.argv[1], sys.argv[2], int(sys.argv[3])


async def pump(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def serve(reader, writer):
    ahead, behind = await asyncio.open_connection("127.0.0.1", upstream)
    await asyncio.gather(pump(reader, behind), pump(ahead, writer))


async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    sys.exit()


asyncio.run(main())
