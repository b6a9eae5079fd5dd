"""A caller with a sampled trace, and a message whose texts must not be exported."""

from tokenwire.v1 import chatgpt_pb2 as pb

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
PARENT_ID = "b7ad6b7169203331"
TRACEPARENT = ("traceparent", f"00-{TRACE_ID}-{PARENT_ID}-01")
UNSAMPLED = ("traceparent", f"00-{TRACE_ID}-{PARENT_ID}-00")

CANARIES = pb.Message(
    content="canary-content",
    system="canary-system",
    history=[
        pb.Turn(role=pb.ROLE_USER, content="canary-question"),
        pb.Turn(role=pb.ROLE_ASSISTANT, content="canary-answer"),
    ],
    params=pb.Params(
        temperature=0.5, top_p=0.9, max_tokens=7, seed=3, user="canary-user", stop=["canary-stop"]
    ),
)
