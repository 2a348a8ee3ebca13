# Run on each Exchange server, as an administrator, in this directory. WinRM restarts, which ends remote sessions.
$modules = Join-Path $env:ProgramFiles 'WindowsPowerShell\Modules'
Copy-Item -Recurse -Force -Path .\Popgate -Destination $modules
New-Item -ItemType Directory -Force -Path 'C:\ProgramData\Popgate\Transcripts' | Out-Null
Register-PSSessionConfiguration -Name Popgate -Path .\Popgate.pssc -Force
