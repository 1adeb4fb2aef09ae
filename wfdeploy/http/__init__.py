"""HTTP as both ends of the API need it: connections, without any reading of what is said over them."""
