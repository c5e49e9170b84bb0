"""What a unit may say to the systemd 219 of EL 7 and XCP-ng 8.3, as far as ours say it: its load-fragment-gperf.gperf.m4."""

SYSTEMD_219 = set("""
    Description Documentation ConditionPathExists After WantedBy Type NotifyAccess WatchdogSec Environment EnvironmentFile
    ExecStart ExecStopPost Restart RestartSec RestartPreventExitStatus User Group CapabilityBoundingSet AmbientCapabilities
    NoNewPrivileges RuntimeDirectory RuntimeDirectoryMode UMask LimitMEMLOCK MemoryLimit TasksMax Nice DevicePolicy
    DeviceAllow ProtectSystem ProtectHome PrivateTmp PrivateNetwork PrivateDevices RestrictAddressFamilies SystemCallArchitectures
    """.split())
