"""A test driver: reports an agent of Open vSwitch, so that Neutron binds the ports of a fake compute's servers."""
