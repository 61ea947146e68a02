/* stream/simulator_words.h - the words of the simulated shop: departments, types of goods, what goes with what. */
#ifndef HR_STREAM_SIMULATOR_WORDS_H
#define HR_STREAM_SIMULATOR_WORDS_H

enum { SIM_STYLES = 6, SIM_MAKES = 4, SIM_BRANDS = 8, SIM_DEPARTMENTS = 8, SIM_TYPES = 48, SIM_FOLLOWS = 2 };

struct sim_department {
	const char *name;
	const char *style[SIM_STYLES]; /* one taste in every department: natural, dark, soft, old, plain, bold */
	const char *brand[SIM_BRANDS];
};

struct sim_type {
	unsigned department;
	const char *name;
	const char *make[SIM_MAKES];
	const char *follows[SIM_FOLLOWS]; /* types that are looked at after this one: the hidden, directed graph */
};

static const struct sim_department sim_departments[SIM_DEPARTMENTS] = {
	{"Office", {"walnut finish", "matte black", "sage green", "antique brass", "plain white", "signal red"},
	 {"Hallden", "Brooke", "Nordvik", "Tamsen", "Arlo", "Kestrel", "Merrow", "Ostra"}},
	{"Living room", {"natural oak", "charcoal", "dusty rose", "vintage brown", "off-white", "mustard yellow"},
	 {"Lindqvist", "Marlow", "Nordvik", "Casa Vero", "Arlo", "Fenwick", "Merrow", "Halia"}},
	{"Bedroom", {"natural linen", "graphite", "pale lilac", "heirloom pattern", "pure white", "cobalt blue"},
	 {"Lindqvist", "Sova", "Nordvik", "Tamsen", "Wren", "Fenwick", "Dovetail", "Halia"}},
	{"Kitchen", {"olive wood", "black enamel", "mint", "copper", "white glaze", "tomato red"},
	 {"Brooke", "Coquille", "Nordvik", "Tamsen", "Arlo", "Kestrel", "Pellan", "Ostra"}},
	{"Garden", {"cedar", "anthracite", "lavender", "weathered zinc", "white wash", "terracotta"},
	 {"Greenholt", "Brooke", "Nordvik", "Casa Vero", "Wren", "Fenwick", "Merrow", "Halia"}},
	{"Outdoor", {"moss", "night black", "sand", "waxed canvas", "stone grey", "safety orange"},
	 {"Tarn", "Fjellrev", "Nordvik", "Summit & Sons", "Arlo", "Kestrel", "Dovetail", "Ostra"}},
	{"Cycling", {"forest green", "stealth black", "pastel blue", "retro chrome", "pearl white", "neon yellow"},
	 {"Velora", "Fjellrev", "Rapida", "Summit & Sons", "Pellan", "Kestrel", "Tarn", "Brisk"}},
	{"Audio", {"wood trim", "piano black", "blush", "vintage cream", "arctic white", "electric blue"},
	 {"Sonne", "Halcyon", "Rapida", "Auricle", "Arlo", "Kestrel", "Pellan", "Brisk"}},
};

static const struct sim_type sim_types[SIM_TYPES] = {
	{0, "writing desk", {"oak", "beech", "steel", "bamboo"}, {"desk lamp", "office chair"}},
	{0, "desk lamp", {"brass", "ceramic", "clamp-on", "folding"}, {"desk organiser", "notebook"}},
	{0, "office chair", {"mesh", "leather", "ergonomic", "swivel"}, {"footrest", "writing desk"}},
	{0, "desk organiser", {"felt", "bamboo", "leather", "acrylic"}, {"notebook", "desk lamp"}},
	{0, "notebook", {"hardcover", "dotted", "spiral", "pocket"}, {"desk organiser", "backpack"}},
	{0, "footrest", {"foam", "rocking", "wooden", "heated"}, {"desk lamp", "headphones"}},
	{1, "sofa", {"linen", "velvet", "corner", "two-seat"}, {"cushion", "coffee table"}},
	{1, "coffee table", {"oak", "marble", "glass", "nesting"}, {"rug", "vase"}},
	{1, "rug", {"wool", "jute", "round", "hand-woven"}, {"floor lamp", "cushion"}},
	{1, "floor lamp", {"arc", "tripod", "paper", "reading"}, {"armchair", "vase"}},
	{1, "armchair", {"rattan", "leather", "wing", "rocking"}, {"cushion", "throw blanket"}},
	{1, "cushion", {"linen", "velvet", "knitted", "floor"}, {"throw blanket", "rug"}},
	{1, "vase", {"stoneware", "glass", "ribbed", "tall"}, {"flower pot", "coffee table"}},
	{2, "bed frame", {"pine", "oak", "upholstered", "slatted"}, {"mattress", "bedside table"}},
	{2, "mattress", {"foam", "sprung", "latex", "firm"}, {"duvet cover", "pillow"}},
	{2, "duvet cover", {"cotton", "linen", "flannel", "striped"}, {"pillow", "throw blanket"}},
	{2, "pillow", {"down", "memory foam", "side-sleeper", "buckwheat"}, {"duvet cover", "alarm clock"}},
	{2, "bedside table", {"oak", "floating", "two-drawer", "round"}, {"alarm clock", "floor lamp"}},
	{2, "throw blanket", {"wool", "chunky-knit", "fleece", "waffle"}, {"cushion", "mug"}},
	{2, "alarm clock", {"sunrise", "analogue", "travel", "wooden"}, {"bluetooth speaker", "mug"}},
	{3, "espresso machine", {"lever", "automatic", "compact", "dual-boiler"}, {"coffee grinder", "espresso cup"}},
	{3, "coffee grinder", {"burr", "hand", "conical", "quiet"}, {"kitchen scale", "espresso cup"}},
	{3, "espresso cup", {"porcelain", "glass", "stoneware", "double-wall"}, {"mug", "serving tray"}},
	{3, "mug", {"stoneware", "enamel", "speckled", "lidded"}, {"serving tray", "kettle"}},
	{3, "kettle", {"gooseneck", "whistling", "electric", "cast-iron"}, {"mug", "coffee grinder"}},
	{3, "frying pan", {"cast-iron", "carbon-steel", "ceramic", "non-stick"}, {"chef's knife", "cutting board"}},
	{3, "chef's knife", {"forged", "Japanese", "20 cm", "serrated"}, {"cutting board", "frying pan"}},
	{3, "cutting board", {"end-grain", "maple", "reversible", "bamboo"}, {"serving tray", "chef's knife"}},
	{3, "kitchen scale", {"digital", "slim", "pocket", "glass"}, {"kettle", "frying pan"}},
	{3, "serving tray", {"acacia", "round", "handled", "slate"}, {"vase", "garden table"}},
	{4, "flower pot", {"glazed", "hanging", "self-watering", "clay"}, {"potting soil", "watering can"}},
	{4, "potting soil", {"peat-free", "cactus", "organic", "herb"}, {"flower pot", "hand trowel"}},
	{4, "watering can", {"long-spout", "galvanised", "indoor", "10-litre"}, {"hand trowel", "flower pot"}},
	{4, "hand trowel", {"forged", "narrow", "ash-handled", "stainless"}, {"potting soil", "watering can"}},
	{4, "garden table", {"teak", "folding", "bistro", "extending"}, {"garden chair", "string lights"}},
	{4, "garden chair", {"stacking", "teak", "folding", "lounge"}, {"cushion", "string lights"}},
	{4, "string lights", {"solar", "globe", "festoon", "micro"}, {"garden table", "bluetooth speaker"}},
	{5, "tent", {"two-person", "dome", "tunnel", "ultralight"}, {"sleeping bag", "camp stove"}},
	{5, "sleeping bag", {"down", "summer", "mummy", "three-season"}, {"sleeping mat", "head torch"}},
	{5, "sleeping mat", {"inflatable", "foam", "insulated", "self-inflating"}, {"pillow", "tent"}},
	{5, "camp stove", {"gas", "twin-burner", "alcohol", "folding"}, {"frying pan", "mug"}},
	{5, "backpack", {"40-litre", "roll-top", "day", "trekking"}, {"head torch", "tent"}},
	{5, "head torch", {"rechargeable", "400-lumen", "running", "red-light"}, {"camp stove", "bicycle light"}},
	{6, "bicycle light", {"front", "rear", "dynamo", "USB"}, {"bicycle helmet", "bicycle lock"}},
	{6, "bicycle helmet", {"urban", "road", "trail", "folding"}, {"bicycle lock", "backpack"}},
	{6, "bicycle lock", {"folding", "chain", "U-shaped", "cable"}, {"bicycle light", "bicycle helmet"}},
	{7, "bluetooth speaker", {"portable", "shelf", "waterproof", "mini"}, {"headphones", "string lights"}},
	{7, "headphones", {"over-ear", "open-back", "noise-cancelling", "studio"}, {"bluetooth speaker", "backpack"}},
};

#endif
