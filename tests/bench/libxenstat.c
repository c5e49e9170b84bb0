/* What libxenstat needs for one look at a host: nodes with everything in them, and each domain's figures asked for, as xentop does
 * it. Prints CPU time in ns of each look after the first, and how many domains, vCPUs, networks and disks it found.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <xenstat.h>

static long long spent(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

int main(int argc, char **argv)
{
    xenstat_handle *handle = xenstat_init();
    int looks = argc > 1 ? atoi(argv[1]) : 2;
    volatile unsigned long long sum = 0;

    if ( !handle )
        return 1;
    for ( int look = 0; look < looks; look++ )
    {
        long long began = spent(), ended;
        unsigned int domains, vcpus = 0, networks = 0, disks = 0;
        xenstat_node *node = xenstat_get_node(handle, XENSTAT_ALL);

        if ( !node )
            return 2;
        domains = xenstat_node_num_domains(node);
        for ( unsigned int i = 0; i < domains; i++ )
        {
            xenstat_domain *domain = xenstat_node_domain_by_index(node, i);

            vcpus += xenstat_domain_num_vcpus(domain);
            networks += xenstat_domain_num_networks(domain);
            disks += xenstat_domain_num_vbds(domain);
            sum += xenstat_domain_cpu_ns(domain);
        }
        xenstat_free_node(node);
        ended = spent();
        if ( look )
            printf("%lld %u %u %u %u\n", ended - began, domains, vcpus, networks, disks);
    }
    xenstat_uninit(handle);
    return 0;
}
