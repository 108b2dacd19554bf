"""Replicas that listen on their node's address only.

Ray Serve 2.60 binds the server that a replica is called through to every interface (`[::]:0` in
`ray.serve._private.replica`) and has no setting for it. Callers are told the node's address, so that is
where it belongs: on one machine the loopback. Calls are pickled: who may call a replica runs code in it.
"""

from typing import Any

EVERYWHERE = "[::]:"


def listen_on_node() -> None:
    """Bind the server of this process's replica to the node's address. Call it in the replica's constructor.

    Raises AttributeError where another version of Ray binds it elsewhere: better no replica than an open one.
    """
    import ray.util  # noqa: PLC0415  not where an engine is only simulated
    from ray.serve._private import replica  # noqa: PLC0415  as above

    bind = replica.add_port_to_grpc_server
    if getattr(bind, "on_node", False):
        return

    def on_node(server: Any, address: str) -> int:
        host = ray.util.get_node_ip_address()
        here = f"[{host}]:" if ":" in host else f"{host}:"
        port: int = bind(server, address.replace(EVERYWHERE, here))
        return port

    on_node.on_node = True  # type: ignore[attr-defined]  # marks what has been replaced already
    replica.add_port_to_grpc_server = on_node
