"""Golden bytes: what psrpcore, an independent engine, writes, and what it understands of ours (see README)."""
import sys, uuid
from psrpcore import *
import psrpcore.types as t
PIPE=uuid.UUID("aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee")
out=sys.argv[1]
c=ClientRunspacePool(); c.open(); s=ServerRunspacePool(); s.receive_data(c.data_to_send())
while s.next_event(): pass
pool_out=s.data_to_send()
open(out+"/pool_opened.bin","wb").write(pool_out.data)
c.receive_data(pool_out)
while c.next_event(): pass
p=ClientPowerShell(c); p.add_command("Get-CASMailbox").add_parameter("ResultSize","Unlimited"); p.start(); d=c.data_to_send(500000)
sp=ServerPipeline(s,d.pipeline_id)
s.receive_data(d)
while s.next_event(): pass
sp.start()
obj=t.PSCustomObject(Name="Zoë _x000A_ <&> 😀\n", Guid=t.PSGuid("0f8fad5b-d9cb-469f-a165-70867728950e"), PopEnabled=True, Addresses=["SMTP:a@x","smtp:b@x"], Count=3, Big=t.PSUInt64(2**64-1), Nothing=None, Mime=t.ErrorCategory.NotInstalled if False else t.PSThreadOptions.Default if hasattr(t,"PSThreadOptions") else None, Table={"a":1})
obj.Self=obj.Addresses
sp.write_output([obj,obj])
sp.write_output(t.PSString("text"))
sp.write_error(t.NETException(Message="The operation couldn't be performed because object 'X' couldn't be found on 'DC1'."),
  category_info=t.ErrorCategoryInfo(Category=t.ErrorCategory.NotSpecified, Activity="Set-CASMailbox", Reason="ManagementObjectNotFoundException"),
  fully_qualified_error_id="[Server=EX01,RequestId=1,TimeStamp=1] [FailureCategory=Cmdlet-ManagementObjectNotFoundException] 7A2B,Microsoft.Exchange.Management.RecipientTasks.SetCASMailbox",
  pipeline_iteration_info=[0,3])
sp.write_warning("The command completed successfully but no settings of 'x/y' have been modified.", pipeline_iteration_info=[0,4])
sp.complete()
data=b""
while True:
    m=s.data_to_send(700)
    if m is None: break
    data+=m.data
open(out+"/pipeline.bin","wb").write(data)
print(len(data), data.count(b"RefId"))
