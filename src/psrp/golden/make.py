"""Writes the golden bytes with psrpcore 0.3.1, an engine that nobody here wrote: python make.py DIRECTORY"""

import sys

import psrpcore.types as t
from psrpcore import ClientPowerShell, ClientRunspacePool, ServerPipeline, ServerRunspacePool

client = ClientRunspacePool()
client.open()
server = ServerRunspacePool()
server.receive_data(client.data_to_send())
while server.next_event():
    pass
opened = server.data_to_send()
with open(f"{sys.argv[1]}/pool_opened.bin", "wb") as file:
    file.write(opened.data)
client.receive_data(opened)
while client.next_event():
    pass

shell = ClientPowerShell(client)
shell.add_command("Get-CASMailbox")
shell.start()
begun = client.data_to_send(500000)
pipeline = ServerPipeline(server, begun.pipeline_id)
server.receive_data(begun)
while server.next_event():
    pass
pipeline.start()
mailbox = t.PSCustomObject(
    Name="Zoë _x000A_ <&> 😀\n",
    Guid=t.PSGuid("0f8fad5b-d9cb-469f-a165-70867728950e"),
    PopEnabled=True,
    Addresses=["SMTP:a@x", "smtp:b@x"],
    Count=3,
    Big=t.PSUInt64(2**64 - 1),
    Nothing=None,
    Mime=t.PSThreadOptions.Default,
    Table={"a": 1},
)
pipeline.write_output([mailbox, mailbox])
pipeline.write_output(t.PSString("text"))
pipeline.write_error(
    t.NETException(Message="The operation couldn't be performed because object 'X' couldn't be found on 'DC1'."),
    category_info=t.ErrorCategoryInfo(
        Category=t.ErrorCategory.NotSpecified, Activity="Set-CASMailbox", Reason="ManagementObjectNotFoundException"
    ),
    fully_qualified_error_id="[Server=EX01,RequestId=1,TimeStamp=1] "
    "[FailureCategory=Cmdlet-ManagementObjectNotFoundException] "
    "7A2B,Microsoft.Exchange.Management.RecipientTasks.SetCASMailbox",
    pipeline_iteration_info=[0, 3],
)
pipeline.write_warning("The command completed successfully but no settings of 'x/y' have been modified.")
pipeline.complete()
# Small enough that messages are cut.
with open(f"{sys.argv[1]}/pipeline.bin", "wb") as file:
    while (payload := server.data_to_send(700)) is not None:
        file.write(payload.data)
