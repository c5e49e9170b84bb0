"""The processors that the lab emulates: what a machine of each is, once, as data."""
import dataclasses

__all__ = ("AMD64", "ARM64", "Arch")


@dataclasses.dataclass(frozen=True)
class Arch:
    """One kind of processor.

    :ivar name: as Debian calls it. :ivar emulator: QEMU's program, and its package. :ivar machine: words for QEMU.
    :ivar xen: of the hypervisor's command line, for its console. :ivar disk: QEMU's device for disk number {0}.
    :ivar modules: which dom0's disks need of its kernel; crc32c is what ext4 asks for by name.
    """

    name: str
    emulator: tuple
    machine: tuple
    cpu: str
    xen: str
    disk: str
    modules: tuple

    def dom0(self, kernel, arguments, initramfs):
        """Words that hand dom0's kernel and its RAM disk to Xen."""
        if self is AMD64:
            return ["-initrd", f"{kernel} {arguments},{initramfs}"]
        # modules in the device tree, as Xen's docs/misc/arm/device-tree/booting.txt wants them, where QEMU puts nothing else
        return ["-device", f"guest-loader,addr=0x4a000000,kernel={kernel},bootargs={arguments}",
                "-device", f"guest-loader,addr=0x52000000,initrd={initramfs}"]


AMD64 = Arch(
    "amd64", ("qemu-system-x86_64", "qemu-system-x86"), ("-machine", "q35"),
    # SMAP kills dom0 in early boot; AVX and XSAVE corrupt its user space silently once guests run (QEMU 7.2's emulation).
    "max,-smap,-avx,-avx2,-xsave,-xsaveopt,-f16c,-fma,-xgetbv1",
    "console=com1 com1=115200,8n1", "ide-hd,drive=d{0},bus=ide.{0}", ("ahci", "sd_mod", "crc32c_generic", "ext4"))
ARM64 = Arch(
    "arm64", ("qemu-system-aarch64", "qemu-system-arm"), ("-machine", "virt,virtualization=on,gic-version=3"), "cortex-a72",
    "console=dtuart", "virtio-blk-device,drive=d{0}", ("virtio_mmio", "virtio_blk", "crc32c_generic", "ext4"))

