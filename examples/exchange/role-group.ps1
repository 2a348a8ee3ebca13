# Run once in the Exchange Management Shell, as a member of Organization Management.
# It makes a role that can look at mailboxes' access and change POP3, and nothing else, and gives it to one account.
$account = 'svc-popgate'

New-ManagementRole -Name 'POP3 Access' -Parent 'Mail Recipients'
Get-ManagementRoleEntry 'POP3 Access\*' |
    Where-Object { $_.Name -notin 'Get-CASMailbox', 'Set-CASMailbox' } |
    ForEach-Object { Remove-ManagementRoleEntry "POP3 Access\$($_.Name)" -Confirm:$false }
Set-ManagementRoleEntry 'POP3 Access\Set-CASMailbox' -Parameters Identity, PopEnabled, DomainController, Confirm, ErrorAction, WarningAction

# The second role sees servers, domain controllers and component states; it changes nothing.
New-RoleGroup -Name 'POP3 Access' -Roles 'POP3 Access', 'View-Only Configuration' -Members $account
Set-User $account -RemotePowerShellEnabled $true
