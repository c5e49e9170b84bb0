# Makes of our units what the systemd 219 of EL 7 and XCP-ng 8.3 knows. It takes a group of calls for one call that there is not,
# and allows what is left: nothing, not even to load the program. Of the rest it has what stands here under an older name, or a
# weaker form; what it knows nothing of would only be a warning each time.
s/^Type=exec$/Type=simple/
/^DynamicUser=/,/^User=/d
/^SystemCallFilter=/,/^SystemCallErrorNumber=/d
s/^MemoryMax=/MemoryLimit=/
s/^ProtectSystem=strict$/ProtectSystem=full/
s/^LimitMEMLOCK=64M$/LimitMEMLOCK=67108864/
/^\(IPAddressDeny\|ReadWritePaths\|KeyringMode\|LockPersonality\|MemoryDenyWriteExecute\|PrivateMounts\|RemoveIPC\)=/d
/^\(Protect[CK][A-Za-z]*\|ProtectHostname\|ProtectProc\|RuntimeDirectoryPreserve\|Restrict[NRS][A-Za-z]*\)=/d
