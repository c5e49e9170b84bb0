/* What a test writes of a hypervisor, in a file that fake_hypervisor.c maps. fake_hypervisor.py packs the same structs. */
#include <stdint.h>

#define FAKE_MAGIC 0x46414b45u
#define FAKE_FAULTS 16
#define FAKE_PCPUS 256
#define FAKE_STATES 8
#define FAKE_NODES 4
#define FAKE_PATH_VARIABLE "FAKE_HYPERVISOR"

struct fake_fault {
    int32_t op, cmd, domid;     /* hypercall, its command, the domain it is about; -1 is any */
    uint32_t skip, times;       /* calls that pass first, then calls that are hit */
    int32_t error;              /* errno; 0: the call goes on */
    int32_t kill;               /* the domain that dies just before; -1: none */
    uint32_t hits;
};

struct fake_vcpu {
    uint32_t exists, online, blocked, running, cpu, state;
    uint64_t cpu_time, state_entry_time, time[4];
};

struct fake_domain {
    uint16_t domid, gone;
    uint32_t flags, ssidref, cpupool;
    uint64_t tot_pages, max_pages;
    uint32_t max_vcpu_id, first_vcpu;
    uint64_t stats_at;          /* of the statistics pages in this file */
    uint32_t stats_frames, grant_frames, grant_frames_max, pad;
    uint64_t unique_id;
    uint64_t runstate[11];      /* XenServer's: state | missed << 32, entry time, six times, runnable, running, nonaffine */
    uint8_t handle[16];
    uint16_t weight, cap;
    uint32_t pad2;
    uint64_t affinity;          /* hard, of each of its vCPUs */
};

struct fake_state {
    uint32_t magic, open_error;
    uint32_t sysctl_version, domctl_version;
    uint32_t xen_version, domaininfo_size;
    uint32_t physinfo_long, own_domid;
    uint32_t domains, pcpus;
    uint32_t cpu_khz, scheduler;
    uint32_t size_quirk;        /* 1: unknown resource types have size 0xffffffa1, as in Xen 4.15 to 4.19.1 */
    uint32_t size_query;        /* 0: the kernel has no size query */
    uint32_t resource_ioctl;    /* 0: the kernel has no MMAP_RESOURCE */
    uint32_t buffer_device;     /* 0: there is no /dev/xen/hypercall */
    uint32_t runstate_domctl;   /* number of XenServer's domctl; 0: there is none */
    uint32_t faults;
    uint32_t unique_ids;        /* 1: get_domain_state, as since Xen 4.21 */
    uint32_t multicall;         /* 0: there is none; 1: there is; 2: it answers 0 and makes no call */
    uint32_t runstate_words;    /* that XenServer's domctl writes: 8, or 11 since September 2025 */
    uint32_t vcpu_runstates;    /* 1: the domctl that xentop-ng proposes; 2: its later version, with sample_time */
    uint64_t total_pages, free_pages;
    uint64_t domains_at, vcpus_at;
    uint64_t hypercalls, resource_calls, mapped, buffers;   /* counted here */
    char extra[16];
    struct fake_fault fault[FAKE_FAULTS];
    uint64_t idle[FAKE_PCPUS];
    uint32_t pstates, cstates;          /* of each pCPU; 0: Xen has none */
    uint32_t msrs, nodes;               /* of the MSRs that are asked for, how many may be read; nodes of memory */
    uint64_t px[FAKE_STATES][3];        /* MHz, ns, entries */
    uint64_t cx[FAKE_STATES][2];        /* entries, ns */
    uint64_t msr[3];                    /* 0x1a2, 0x19c, 0x1b1 */
    uint64_t node[FAKE_NODES][2];       /* bytes, free; 0xffffffff: not there */
    uint32_t place[FAKE_PCPUS][3];      /* core, socket, node of each pCPU */
};
