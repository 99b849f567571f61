#pragma once

namespace holdfast {

// close(2) without waiting for the kernel. Closing a packet socket waits until no processor looks at it any more (packet(7),
// synchronize_net: 8 to 24 ms were seen), which is longer than an advert may be late: such a descriptor is closed by a thread of its own.
void CloseWithoutWaiting(int descriptor);

}  // namespace holdfast
